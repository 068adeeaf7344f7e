package admin

import (
	"slices"

	"curfew.dev/curfew/node"
	"curfew.dev/curfew/revocation"
)

// receiptOf is the receipt of a record as it stands now.
func (a *api) receiptOf(r *revocation.Record, ref revocation.Ref) node.Receipt {
	return a.limited(a.Node.ReceiptOf(r, ref), r)
}

// limited adds to the limits that were told when the record was written those
// that became known since.
func (a *api) limited(receipt node.Receipt, r *revocation.Record) node.Receipt {
	for _, l := range a.issuers.Limits(r, a.observed()) {
		if !slices.Contains(receipt.Limits, l) {
			receipt.Limits = append(slices.Clip(receipt.Limits), l)
		}
	}
	return receipt
}
