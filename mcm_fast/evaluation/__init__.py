"""Rate, distortion and reports over folders of images."""
