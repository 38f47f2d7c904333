"""radarlib: single-step diffusion anomaly detection (RADAR) and its neighbours, one concept per module.

Data flows one way: datasets → patches → denoiser → radar / reconstruct → features → oneclass → metrics → figures.
"""

__version__ = "0.1.0"
