"""What happens between noise and latents: levels, objective, update rules, guidance."""
