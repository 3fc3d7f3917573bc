"""From a layout of controls to a firmware image."""
