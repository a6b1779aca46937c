"""What services and commands share: where servers are, TLS, waiting and trying again, telling systemd."""
