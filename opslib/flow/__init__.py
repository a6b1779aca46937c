"""NiFi flows: building the archive of their processors, deploying their definitions."""
