"""What every codec shares, whoever runs its two halves: shapes, waveforms, windows, latents. numpy only."""
