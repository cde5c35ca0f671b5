"""The networks: graph networks, ResNet, joint attention, and the weighted mosaic network."""
