package pages

var german = catalog{
	tag: "de",
	as:  "Sie sind angemeldet als %s.",
	at:  "Sie sind angemeldet als %s (%s).",
	words: words{
		ThisSiteOnly: "Nur von dieser Website abmelden",
		TwoStep:      "Bestätigung in zwei Schritten einrichten",
		Recovery:     "Konto wiederherstellen",
		Help:         "Hilfe",
		NewTab:       "(öffnet einen neuen Tab)",
	},
	texts: map[string]text{
		"choose": {
			Heading: "Wie möchten Sie sich anmelden?",
		},
		"continue": {
			Heading: "Erneut anmelden?",
			Body:    []string{"Eine andere Website bittet Sie, sich hier erneut anzumelden. Wenn Sie das nicht erwartet haben, schließen Sie diese Seite: Es geschieht nichts."},
			Button:  "Weiter zur Anmeldung",
		},
		"nothing-sent": {
			Heading: "Es wurde nichts gesendet",
			Body: []string{
				"Ihre Sitzung ist beendet, deshalb wurde Ihr Text nicht gesendet. Er steht noch auf der Seite vor dieser.",
				"Melden Sie sich in einem neuen Tab an. Kehren Sie dann in diesen Tab zurück, gehen Sie mit der Zurück-Taste Ihres Browsers eine Seite zurück und senden Sie noch einmal.",
			},
			Next: "Anmelden",
		},
		"sign-out": {
			Heading: "In diesem Browser abmelden?",
			Body:    []string{"Das beendet Ihre Sitzung auf allen Websites mit dieser Anmeldung, und alles, was dort offen ist."},
			Button:  "Abmelden",
			Next:    "Angemeldet bleiben",
		},
		"signed-out": {
			Heading: "Sie sind abgemeldet",
			Body:    []string{"Ihre Sitzung in diesem Browser ist beendet."},
			Button:  "Auch beim Anmeldedienst abmelden",
			Next:    "Erneut anmelden",
		},
		"start-again": {
			Heading: "Diese Anmeldung kann nicht abgeschlossen werden",
			Body:    []string{"Sie hat zu lange gedauert, wurde schon abgeschlossen oder begann in einem anderen Browser. Oder Ihr Browser lehnt Cookies dieser Seite ab: Erlauben Sie sie."},
			Next:    "Neu beginnen",
		},
		"loop": {
			Heading: "Ihre Sitzung kommt nicht zurück",
			Body:    []string{"Sie haben sich dreimal angemeldet, und jedes Mal hat diese Website Ihre Sitzung nicht zurückbekommen. Mögliche Ursachen:"},
			List: []string{
				"Ihr Browser blockiert Cookies dieser Website: Erlauben Sie sie, oder verlassen Sie den privaten Modus.",
				"Eine Erweiterung oder ein Proxy entfernt Cookies: Versuchen Sie es ohne.",
				"Die Uhr dieses Geräts geht falsch: Stellen Sie sie.",
				"Die Server dieser Website haben nicht denselben Schlüssel: Benachrichtigen Sie den Betreiber.",
			},
			Next: "Erneut versuchen",
		},
		"too-large": {
			Heading: "Ihre Sitzung ist zu groß",
			Body:    []string{"Der Anmeldedienst sagt mehr über Sie, als in ein Cookie passt. Das ist nicht Ihr Fehler, und ein neuer Versuch hilft nicht. Bitte benachrichtigen Sie den Betreiber dieses Dienstes."},
		},
		"provider": {
			Heading: "Der Anmeldedienst antwortet nicht",
			Body:    []string{"Er antwortet nicht, wie er soll. Bitte versuchen Sie es gleich noch einmal."},
			Next:    "Erneut versuchen",
		},
		"denied": {
			Heading: "Sie wurden nicht angemeldet",
			Body:    []string{"Der Anmeldedienst hat Sie nicht angemeldet, oder Sie haben abgebrochen."},
			Next:    "Neu beginnen",
		},
		"step-up-unmet": {
			Heading: "Hier ist eine stärkere Anmeldung nötig",
			Body:    []string{"Sie haben sich angemeldet, aber nicht so, wie diese Seite es verlangt, etwa mit Bestätigung in zwei Schritten oder gerade eben. Ihre Sitzung ist unverändert."},
			Next:    "Anderes Konto verwenden",
		},
		"blocked": {
			Heading: "Der Zugang ist gesperrt",
			Body:    []string{"Wenn Sie das für einen Irrtum halten, wenden Sie sich an den Betreiber dieses Dienstes."},
			Next:    "Anderes Konto verwenden",
		},
		"cross-site": {
			Heading: "Es wurde nichts getan",
			Body:    []string{"Eine andere Website hat dieses Formular gesendet. Öffnen Sie die Seite auf dieser Website und senden Sie es von dort."},
		},
		"not-ready": {
			Heading: "Dieser Dienst ist noch nicht bereit",
			Body:    []string{"Bitte versuchen Sie es gleich noch einmal."},
			Next:    "Erneut versuchen",
		},
		"not-durable": {
			Heading: "Es wurde nichts geändert",
			Body:    []string{"Die Änderung konnte nicht gespeichert werden. Bitte versuchen Sie es gleich noch einmal."},
			Next:    "Erneut versuchen",
		},
		"insecure": {
			Heading: "Zum Anmelden ist https nötig",
			Body:    []string{"Öffnen Sie diese Seite mit einer Adresse, die mit https:// beginnt."},
		},
		"unknown": {
			Heading: "Hier ist nichts",
			Body:    []string{"Prüfen Sie die Adresse."},
		},

		"refused": {
			Heading: "Sie haben keinen Zugang zu dieser Seite",
			Next:    "Anderes Konto verwenden",
		},
		"no-credential": {
			Heading: "Sie sind nicht angemeldet",
			Body:    []string{"Kehren Sie zur Anwendung zurück und melden Sie sich an."},
			Next:    "Anderes Konto verwenden",
		},
		"ambiguous-credential": {
			Heading: "Diese Anfrage kann nicht angenommen werden",
			Body:    []string{"Ihre Anwendung hat ihren Nachweis so gesendet, dass er nicht angenommen wird."},
			Next:    "Anderes Konto verwenden",
		},
		"invalid-token": {
			Heading: "Ihre Anmeldung gilt hier nicht",
			Body:    []string{"Kehren Sie zur Anwendung zurück und melden Sie sich erneut an."},
			Next:    "Anderes Konto verwenden",
		},
		"revoked": {
			Heading: "Ihre Anmeldung wurde widerrufen",
			Body:    []string{"Kehren Sie zur Anwendung zurück und melden Sie sich erneut an."},
			Next:    "Anderes Konto verwenden",
		},
		"step-up-required": {
			Heading: "Hier ist eine stärkere oder neuere Anmeldung nötig",
			Body:    []string{"Kehren Sie zur Anwendung zurück und melden Sie sich erneut an."},
			Next:    "Anderes Konto verwenden",
		},
		"insufficient-scope": {
			Heading: "Sie haben keinen Zugang zu dieser Seite",
			Body:    []string{"Ihre Anwendung hat dafür keine Berechtigung."},
			Next:    "Anderes Konto verwenden",
		},
		"claim-missing": {
			Heading: "Sie haben keinen Zugang zu dieser Seite",
			Body:    []string{"Ihrem Konto fehlt, was diese Seite verlangt, etwa die Mitgliedschaft in einer Gruppe."},
			Next:    "Anderes Konto verwenden",
		},
	},
}
