"""Measure times (`times`) and compare them with limits (`limits`), for every benchmark."""
