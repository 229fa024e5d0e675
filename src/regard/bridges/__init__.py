"""Ways into other libraries, each loaded only when that library is in use."""
