package login

import (
	"errors"
	"net/http"
	"strings"

	"curfew.dev/curfew/internal/seal"
)

const devicePrefix = "cd_"

// device is the one that the browser's cookie names, or a new one. kept tells that
// the cookie is to be left alone: another node may know its key.
func (s *SignIn) device(r *http.Request, v *visitor) (device string, kept bool) {
	cookie, two := Read(r.Header, v.cookies.Device)
	if cookie != "" && !two && len(cookie) <= maxCookie {
		text, err := s.all.keys.at(v.now).Open(forDevice, cookie, bind(v.host))
		if err == nil && strings.HasPrefix(string(text), devicePrefix) {
			return string(text), false // its time begins anew
		}
		kept = errors.Is(err, seal.ErrUnknownKey)
	}
	return devicePrefix + newSecret(16), kept
}

func (s *SignIn) setDevice(h http.Header, v *visitor, device string) {
	value, err := s.all.keys.at(v.now).Seal(forDevice, []byte(device), bind(v.host))
	if err != nil {
		s.log().Error("a device can't be sealed: the browser is a new one next time", "sign_in", s.config.Name, "error", err)
		return
	}
	setCookie(h, v.cookies.Device, value, deviceAge)
}
