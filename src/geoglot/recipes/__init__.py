"""Published experiments as frozen Python values: method, data and hyper-parameters."""
