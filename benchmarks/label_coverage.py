"""Count the labels that the bundled term vectors cover, with and without help from WordNet.

python benchmarks/label_coverage.py

The rows are the labels of Caltech-101 and ImageNet, and names from a kitchen and a household. The
columns count the labels by the source of their vector, as `LabelVocabulary.coverage` does.
"""

from _common import print_table

from skdevise import LabelVocabulary
from skdevise.datasets import (
    load_caltech101_features,
    load_imagenet_labels,
    load_term_vectors,
    load_wordnet_nouns,
)

EVERYDAY = """
    apple, apricot, avocado, banana, blackberry, blueberry, cherry, coconut, cranberry, fig, grape,
    grapefruit, kiwi, lemon, lime, mango, melon, nectarine, orange, papaya, passionfruit, peach,
    pear, pineapple, plum, pomegranate, raspberry, strawberry, watermelon, asparagus, aubergine,
    beetroot, broccoli, brussels sprouts, cabbage, carrot, cauliflower, celery, courgette, cucumber,
    eggplant, garlic, ginger, leek, lettuce, mushroom, onion, parsnip, pea, pepper, potato, pumpkin,
    radish, spinach, sweet potato, tomato, turnip, zucchini, yoghurt, yogurt, cheese, butter, milk,
    soy milk, oat milk, sour cream, egg, bread, baguette, croissant, bagel, muffin, pizza,
    hamburger, sandwich, burrito, lasagna, spaghetti, noodles, rice, cereal, oatmeal, pancake,
    waffle, doughnut, cupcake, cookie, chocolate, ketchup, mustard, mayonnaise, olive oil, vinegar,
    honey, jam, peanut butter, coffee, tea, orange juice, beer, wine, toothbrush, toothpaste,
    shampoo, deodorant, detergent, sponge, toilet paper, tissue box, light bulb, battery, stapler,
    screwdriver, hammer, toaster, microwave, blender, dishwasher, refrigerator, washing machine,
    vacuum cleaner, hairdryer, laptop, smartphone, keyboard, headphones, backpack, umbrella,
    sunglasses, sofa, bookshelf, nightstand, armchair, curtain, doormat, flowerpot, frying pan,
    saucepan, spatula, chopsticks, corkscrew, tin opener, teapot, mug
"""
# Synsets to draw from WordNet's nouns, at regular distances.
N_NOUNS = 8_000


def main():
    imagenet, nouns = load_imagenet_labels(), load_wordnet_nouns().synsets
    names = {
        "food and household": [name.strip() for name in EVERYDAY.split(",")],
        "Caltech-101": load_caltech101_features().target_names,
        "ILSVRC-2012": imagenet.ilsvrc2012,
        "ImageNet fall 2011": imagenet.fall11,
        "nouns of WordNet": nouns[:: max(1, len(nouns) // N_NOUNS)],
    }
    embedder = load_term_vectors().embedder
    rows = []
    for name, labels in names.items():
        found = LabelVocabulary(labels, on_missing="wordnet").coverage(embedder)
        sources = (found.as_term, found.composed, found.synonyms, found.broader, found.missing)
        counts = [len(source) for source in sources]
        before, after = (100 * sum(part) / len(labels) for part in (counts[:2], counts[:4]))
        rows.append([name, len(labels), *counts, f"{before:.1f}", f"{after:.1f}"])
    header = ["labels", "number", "as one term", "composed", "synonym", "broader term", "missing"]
    print_table([*header, "% by default", '% with on_missing="wordnet"'], rows)


if __name__ == "__main__":
    main()
