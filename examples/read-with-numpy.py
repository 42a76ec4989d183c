# Scores of films by the shared parameters of the README's model (the body mlp without activation, over ids and genres), with NumPy alone:
#   python3 examples/read-with-numpy.py model.safetensors 1 296
import json, sys, numpy as np

data = memoryview(open(sys.argv[1], "rb").read())
start = 8 + int.from_bytes(data[:8], "little")
header = json.loads(bytes(data[8:start]))
types = {"F32": "<f4", "I32": "<i4", "U8": "u1"}
at = lambda name: np.frombuffer(data[start:][slice(*header[name]["data_offsets"])], types[header[name]["dtype"]]).reshape(header[name]["shape"])
texts = lambda name: [bytes(at(name + ".bytes")[a:b]).decode() for a, b in zip(at(name + ".offsets"), at(name + ".offsets")[1:])]
films, seen = texts("texts.items.keys"), texts("texts.model.item")
for film in sys.argv[2:]:
    genres = at("items.genres")[slice(*at("items.genres.offsets")[films.index(film) :][:2])]
    x = np.concatenate([at("parameters.embedding.item.weight")[seen.index(film) if film in seen else 0], at("parameters.embedding.genres.weight")[genres].mean(0)])
    for k in range(2): x = at(f"parameters.mlp.{k}.weight") @ x + at(f"parameters.mlp.{k}.bias")
    print(film, x[0] + json.loads(header["__metadata__"]["manifest"])["rows"]["mean"])
