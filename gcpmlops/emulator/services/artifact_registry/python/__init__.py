"""Python repositories: uploads by twine's protocol, the simple index that pip reads."""
