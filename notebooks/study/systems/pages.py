"""What each system is, in a few sentences, and its equation: the text of its page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """about : what it is, what it learns from, how it judges, what differs here. equation : the heart of it."""

    about: str
    equation: str


PAGES = {
    "step": Page(
        "RADAR's single step, done on pretrained features. A small network learns which noise was added to"
        " whitened features of normal images, at every location alike. Shown features that are scaled and not"
        " noised, it answers how far they lie from what it has learned. The map is the length of the answer. Its"
        " grid is a sixteenth of the extractor's side, so it localises coarsely.",
        "s = ‖ε_θ(√(1 − σ²) W(f − μ))‖",
    ),
    "closed": Page(
        "RADAR's single step on pixels with the best noise predictor of Gaussian patches in the network's place."
        " It is fitted by mean and covariance of normal patches and trains nothing. What it answers is the"
        " whitened patch. Blur and Sobel follow as in RADAR. A distance of the two features above those of normal"
        " images decides.",
        "ε*(x_t) = √(1 − ᾱ) (ᾱΣ + (1 − ᾱ)I)⁻¹ (x_t − √ᾱ μ)",
    ),
    "patchcore": Page(
        "It remembers features of normal images. A coreset keeps those that cover the rest best. A location is as"
        " anomalous as its nearest neighbour in that memory is far. An image is as anomalous as its worst"
        " location. Nothing is trained.",
        "s = min_m ‖f − m‖, m in the coreset",
    ),
    "spade": Page(
        "It compares an image with the normal images that look most like it as a whole. Those are found by the"
        " mean of the deepest features. The image's score is the mean distance to them. A location is as anomalous"
        " as the nearest feature in them is far. Nothing is trained.",
        "s = min ‖f − f_k‖ over all locations of the K nearest images",
    ),
    "padim": Page(
        "It fits a Gaussian to the features of normal images at each location. A hundred features are drawn at"
        " random. The map is the Mahalanobis distance. It needs images that are aligned, or surfaces that look"
        " alike everywhere. Nothing is trained.",
        "s = √((f − μ)ᵀ Σ⁻¹ (f − μ)), μ and Σ of the location",
    ),
    "step2": Page(
        "The single step on features of EfficientNet-Lite2 instead of Lite0: a third more parameters, trained on"
        " the same photographs. All else is the same. The row shows how much hangs on the backbone. Compare it with the"
        " one above before comparing systems.",
        "as above",
    ),
    "patchcore2": Page(
        "PatchCore on features of EfficientNet-Lite2 instead of Lite0: a third more parameters, trained on"
        " the same photographs. All else is the same. The row shows how much hangs on the backbone. Compare it with the"
        " one above before comparing systems.",
        "as above",
    ),
    "padim2": Page(
        "PaDiM on features of EfficientNet-Lite2 instead of Lite0: a third more parameters, trained on"
        " the same photographs. All else is the same. The row shows how much hangs on the backbone. Compare it with the"
        " one above before comparing systems.",
        "as above",
    ),
    "cfa": Page(
        "It adapts features so that normal ones crowd into spheres around memorised ones. The memory holds the"
        " mean feature of each location. A layer that is told where it is learns to pull features into the nearest"
        " spheres and to keep them out of the next. The distance to the nearest vectors is the map, weighted by"
        " how clear the nearest one is. The authors' backbone has more levels. Their code scales each level of this"
        " kind of backbone down by its channels, and so does this one.",
        "L = mean(max(0, D_k − r²)) + mean(max(0, r² − D_j − α))",
    ),
    "simplenet": Page(
        "It learns to tell features of normal images from the same features with noise added. A linear layer"
        " adapts them, a small network judges each location. No image is ever disturbed, only features. The"
        " judgement is the map. Here one number scales the features, and the noise has another strength than the"
        " paper's.",
        "L = max(0, th − D(q)) + max(0, th + D(q + ε))",
    ),
    "fastflow": Page(
        "It learns a density of features by a normalising flow. Couplings of 3 × 3 and 1 × 1 convolutions see a"
        " location's neighbours. There is a flow a level of the extractor. What the flow maps far from the origin"
        " is anomalous. The map is the mean over levels.",
        "s = ½‖z‖², z = flow(f); L = ½‖z‖² − log|∂z/∂f|",
    ),
    "cflow": Page(
        "It learns a density of single features by a normalising flow that is told where they lie. Sines and"
        " cosines of row and column are the condition. There is a flow a level. Less likely than the likeliest"
        " location is anomalous. Levels are added. Here the code of a location has 32 numbers, theirs 128.",
        "−log p(f | place) = ½‖z‖² − log|∂z/∂f|",
    ),
    "stfpm": Page(
        "A student of the extractor's own architecture learns to answer as the extractor does, on normal images"
        " alone. Where it cannot, the image is not normal. Features are compared at three levels, each of unit"
        " length. The map is the product of the levels. It is the one system here that trains a whole backbone.",
        "s = Π_l ½‖f̂_t − f̂_s‖²",
    ),
    "rd4ad": Page(
        "A student gets the teacher's features through a bottleneck and must give them back. What is not normal"
        " does not pass. Teacher and student have different inputs and shapes, so that they cannot agree by"
        " accident. The map sums cosine distances of three levels. Here the decoder is small, theirs mirrors the"
        " teacher.",
        "s = Σ_k (1 − cos(f_E, f_D))",
    ),
    "rdpp": Page(
        "RD4AD with layers before the bottleneck that turn disturbed features into normal ones. Copies of the"
        " images with simplex noise are the disturbed ones. A reconstruction leads disturbed"
        " features to normal ones, a contrast keeps them apart before that. The optimal transport between a batch and"
        " its own permutation, which is 0, is left out. All else is RD4AD's. Here a copy is made once, not anew at"
        " every step.",
        "L = L_KD + α (L_recon + L_con)",
    ),
    "cutpaste": Page(
        "It learns to tell normal patches from patches with a piece pasted in: a rectangle, or a thin scar. The"
        " network's codes of normal patches get a Gaussian. A patch is as anomalous as its code is far. Here it"
        " looks at patches alone, so that there is a map. It is trained from random weights.",
        "s = (z − μ)ᵀ Σ⁻¹ (z − μ), z the code of a patch",
    ),
    "draem": Page(
        "One network takes artificial defects out of an image, another sees the image before and after and marks"
        " them. Defects are textures blended into uneven regions. The mark is the map. Theirs come from a data set"
        " of textures; here they are simulated. So it may know our defects better or worse than the world's.",
        "L = L2 + SSIM + focal(M, M̂)",
    ),
    "dsr": Page(
        "It quantises an image into codes and makes its defects there: wrong codes inside a mask. One decoder"
        " restores normal images, another shows what the codes say, a third network finds where they differ. So"
        " defects look like the surface. Theirs has two grids and a codebook learned on ImageNet; here one grid,"
        " learned on the normal images and on simulated textures. Only the idea is DSR's.",
        "z̃ = wrong code inside M, nearest code elsewhere",
    ),
    "diffusionad": Page(
        "A diffusion network takes artificial defects out in one guided step, a second network sees the image"
        " before and after and marks them. A strong noise hides the defect, a weak one keeps the detail. The mark"
        " is the map. Defects are DRAEM's, simulated. The diffusion network is trained before, on normal images;"
        " theirs beside the other one.",
        "x̂_0 from t_small, drawn to x̂_0 from t_big",
    ),
    "ae": Page(
        "An autoencoder learns to give normal images back through a bottleneck. What it gives back badly is"
        " anomalous. The map is the squared difference. The loss is the same. The bottleneck holds four numbers"
        " for 8 × 8 px.",
        "s = (x − x̂)²",
    ),
    "ae_ssim": Page(
        "The same autoencoder, trained and read by structural similarity. That sees structure where brightness"
        " agrees. The map is one minus the similarity in a window of 11 px. Bergmann et al. found it better on"
        " textures. All else is the same.",
        "s = 1 − SSIM(x, x̂)",
    ),
    "riad": Page(
        "It paints what is left out of an image, and never sees what it paints. Squares of four sizes are dealt"
        " to three sets, and each is painted from the others. What is not like its surroundings is painted wrong."
        " The map compares gradients at four scales. InTra does the same with a transformer.",
        "s = 1 − MSGMS(x, Σ_i M_i ⊙ f((1 − M_i) ⊙ x))",
    ),
    "ganomaly": Page(
        "Encoder, decoder and a second encoder, trained against a discriminator. An image whose code is not that"
        " of its reconstruction is anomalous. The score is the distance of both codes. It has no map; the"
        " difference of the images stands in. Adversarial training is short here.",
        "s = ‖E(x) − Ê(G(x))‖₁",
    ),
    "skip": Page(
        "GANomaly with a U-Net for the generator. The discriminator's features of image and reconstruction are"
        " compared, and the images themselves. The score weighs both. Details pass by the skip connections,"
        " defects may, too. The difference of the images is the map.",
        "s = λ‖x − x̂‖₁ + (1 − λ)‖f(x) − f(x̂)‖²",
    ),
    "svdd": Page(
        "A network without biases learns to map normal patches near one point. The distance to that point is the"
        " map. The network starts as a trained autoencoder's first half, and the point is the mean of its codes. The"
        " paper judges whole images; here a location sees 36 px. Nothing tells it what a defect is.",
        "s = ‖φ(x) − c‖²",
    ),
    "ddpm": Page(
        "Noise is added to the image, and a network that learned normal images takes it away. What comes back is"
        " normal, so what was not differs. The map is the squared difference. It is what the noise study compares"
        " with earlier methods. Here the way back is ten deterministic steps, theirs is two hundred drawn ones; both"
        " begin equally noisy.",
        "s = (x − x̂_0)², x̂_0 led back from x_t",
    ),
    "ddad": Page(
        "Noise is added to the image, and the way back is drawn to the image by guidance. Normal parts are met,"
        " defects are not. Pixels and features of image and reconstruction are compared. Another normal image is"
        " led to each normal image, and the extractor is tuned until the two look alike to it; it is held near what"
        " it was, and its batch statistics stay. Both maps are added. Its authors choose weights and guidance by"
        " category; here they are one for all.",
        "ε̂ = ε_θ − w √(1 − ᾱ) (x̃_t − x_t)",
    ),
    "d3ad": Page(
        "An image's latents are scaled, not noised, and led back; how far depends on the image's distance to"
        " normal images. Latents and features of image and reconstruction are compared. The extractor is tuned"
        " until normal pairs look alike to it. The latent space is a small autoencoder's, at a quarter of the"
        " side. Theirs is a pretrained one's.",
        "A = λ l_map + (1 − λ) f_map, T̂ = ⌊b T_max / |B|⌋",
    ),
    "d3ad_eighth": Page(
        "D3AD with latents at an eighth of the side, as its authors' code has them. A location stands for 8 × 8"
        " px then. The autoencoder is halved once more and has as many channels of latents. All else is D3AD's."
        " Nothing is downloaded.",
        "A = λ l_map + (1 − λ) f_map",
    ),
    "d3ad_pixels": Page(
        "D3AD's dynamic steps without its latent space. How far an image is scaled and led back depends on its"
        " distance to normal images. Nothing is added to it. Pixels and features are compared as in DDAD, but"
        " features are not averaged over 3 × 3 first, and T_max is as noisy as D3AD's. Its authors call it worth"
        " trying.",
        "x_T̂ = √ᾱ_T̂ x_0, T̂ = ⌊b T_max / |B|⌋",
    ),
}
"""By the system's name in `plan.SYSTEMS`."""
