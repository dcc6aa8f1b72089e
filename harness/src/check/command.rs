//! `synod-harness check`: judges a recorded history.
