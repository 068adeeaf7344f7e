package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// sbom makes a CycloneDX document of what is in the binary, as the binary itself
// says.
func sbom(j *job) (string, error) {
	path := filepath.Join(j.out, fmt.Sprintf("curfew_%s_%s.cdx.json", j.version, j.arch))
	return path, temporary(func(dir string) error {
		binary, err := j.gateway(dir)
		if err != nil {
			return err
		}
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(j.document(info), cyclonedx.SpecVersion1_6); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
}

func (j *job) document(info *buildinfo.BuildInfo) *cyclonedx.BOM {
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = "" // it would differ from run to run
	main := component(info.Main.Path, j.version)
	main.Type = cyclonedx.ComponentTypeApplication
	bom.Metadata = &cyclonedx.Metadata{Timestamp: j.made.Format("2006-01-02T15:04:05Z"), Component: &main}
	parts := []cyclonedx.Component{component("stdlib", strings.TrimPrefix(info.GoVersion, "go"))}
	refs := []string{parts[0].BOMRef}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		parts = append(parts, component(d.Path, d.Version))
		refs = append(refs, parts[len(parts)-1].BOMRef)
	}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return bom
}

func component(path, version string) cyclonedx.Component {
	purl := "pkg:golang/" + path + "@" + version
	return cyclonedx.Component{Type: cyclonedx.ComponentTypeLibrary, BOMRef: purl, Name: path, Version: version, PackageURL: purl}
}
