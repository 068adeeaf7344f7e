// Package deploy holds what operators copy: the configuration of the NATS servers
// of a cluster, Kubernetes objects, a systemd unit and a container image; and the
// tests that read exactly these files and hold them to the code and to each other.
//
// It must never hold code that anything imports, nor a line whose reason is not
// beside it.
package deploy
