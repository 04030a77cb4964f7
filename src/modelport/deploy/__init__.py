"""What puts a service on other machines: an image, Kubernetes manifests, a systemd unit, a Compose file."""
