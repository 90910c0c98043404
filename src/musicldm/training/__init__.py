"""The four trainings (vae, vocoder, clap, ldm): one recipe a file over one loop."""
