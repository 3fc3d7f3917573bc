"""Reading and changing the settings of repositories that the policy is about."""
