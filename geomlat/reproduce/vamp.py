"""VampPrior beside the standard prior on statically binarised MNIST, and their ablations by latent size.

Tomczak and Welling (2018), "VAE with a VampPrior": gated layers of 300 twice, 40 latent dimensions, 500 pseudo-inputs, batches
of 100, learning rate 5e-4, KL warm-up over 100 epochs, patience 50, up to 2000 epochs, 5000 importance samples. The numbers
by latent size are those of a course report (1000 epochs, its own split). Both priors are trained alike.
"""
