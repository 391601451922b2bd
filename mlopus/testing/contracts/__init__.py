"""What every repository of a port must do, as test classes to inherit from; needs the extra `testing`."""
