#!/usr/bin/env python3
"""The yardstick for picture embedding: ONNX Runtime on the same weights, one picture at a time.

  python onnx_embed.py [--models FOLDER] [MODEL...] [--threads N] [--rounds N] [--check REFERENCE]

MODEL is a safetensors file, or a folder with model.safetensors, of a MobileNetV2 or a vision transformer with timm's names;
--models adds the built-in model and those of FOLDER that the README quotes. The graph is built from the tensors:
convolutions with batch norm folded, as an exporter leaves them, and the fused operators that ONNX has (LayerNormalization,
Gelu) or ONNX Runtime adds (MultiHeadAttention; --plain does without). What is measured is the network alone: pixels are
random numbers. Prints one JSON line a model in the form of the other figures.

Needs onnxruntime, onnx, numpy.
"""
import argparse
import json
import os
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def read_safetensors(path):
    data = np.memmap(path, dtype=np.uint8, mode="r")
    count = int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8:8 + count]))
    header.pop("__metadata__", None)
    kinds = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}
    tensors = {}
    for key, entry in header.items():
        begin, end = (8 + count + offset for offset in entry["data_offsets"])
        tensors[key] = np.frombuffer(bytes(data[begin:end]), kinds[entry["dtype"]]).reshape(entry["shape"]).astype(np.float32)
    return tensors


class Graph:
    """Nodes and constants; each method adds one operator and returns its output's name."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype, order="C"), name))
        return name

    def node(self, operator, *inputs, domain="", **attributes):
        self.count += 1
        name = f"t{self.count}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def model(self, output, side, dimension):
        graph = helper.make_graph(
            self.nodes, "embed", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, side, side])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, dimension])], self.constants)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def mobilenet_v2(t, same, side):
    g = Graph()

    def convolution(x, name, norm, stride=1, relu6=True, size=side):
        scale = t[f"{norm}.weight"] / np.sqrt(t[f"{norm}.running_var"] + 1e-5)
        weight = t[f"{name}.weight"] * scale[:, None, None, None]
        bias = t[f"{norm}.bias"] - scale * t[f"{norm}.running_mean"]
        kernel = weight.shape[2]
        before = after = (kernel - 1) // 2
        if same and kernel > 1 and stride == 2:
            total = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
            before, after = total // 2, total - total // 2
        x = g.node("Conv", x, g.constant(weight), g.constant(bias), kernel_shape=[kernel, kernel], strides=[stride, stride],
                   pads=[before, before, after, after], group=weight.shape[0] if weight.shape[1] == 1 and name.endswith("dw") else 1)
        return g.node("Clip", x, zero, six) if relu6 else x

    zero, six = g.constant(0.0), g.constant(6.0)
    x = convolution("pixels", "conv_stem", "bn1", 2)
    size = -(-side // 2)
    for stage, stage_stride in enumerate([1, 2, 2, 2, 1, 2, 1]):
        index = 0
        while f"blocks.{stage}.{index}.conv_dw.weight" in t:
            name, stride, start = f"blocks.{stage}.{index}", stage_stride if index == 0 else 1, x
            separable = f"{name}.conv_pwl.weight" not in t
            if not separable:
                x = convolution(x, f"{name}.conv_pw", f"{name}.bn1")
            x = convolution(x, f"{name}.conv_dw", f"{name}.bn1" if separable else f"{name}.bn2", stride, size=size)
            size = -(-size // stride)
            last = f"{name}.conv_pw" if separable else f"{name}.conv_pwl"
            x = convolution(x, last, f"{name}.bn2" if separable else f"{name}.bn3", relu6=False)
            first = f"{name}.conv_dw" if separable else f"{name}.conv_pw"
            if stride == 1 and t[f"{first}.weight"].shape[0 if separable else 1] == t[f"{last}.weight"].shape[0]:
                x = g.node("Add", x, start)
            index += 1
    x = convolution(x, "conv_head", "bn2")
    x = g.node("Flatten", g.node("GlobalAveragePool", x))
    dimension = t["conv_head.weight"].shape[0]
    if "embed.weight" in t:
        x = g.node("MatMul", x, g.constant(t["embed.weight"].T))
        dimension = t["embed.weight"].shape[0]
    return g.model(x, side, dimension)


def vision_transformer(t, heads, fused):
    g = Graph()
    width, _, patch, _ = t["patch_embed.proj.weight"].shape
    tokens = t["pos_embed"].shape[1]
    side = round((tokens - 1) ** 0.5) * patch
    heads = heads or width // 64
    head = width // heads

    def linear(x, name, scale=None):
        weight, bias = t[f"{name}.weight"], t[f"{name}.bias"]
        if scale in t:
            weight, bias = weight * t[scale][:, None], bias * t[scale]
        return g.node("Add", g.node("MatMul", x, g.constant(weight.T)), g.constant(bias))

    def norm(x, name):
        return g.node("LayerNormalization", x, g.constant(t[f"{name}.weight"]), g.constant(t[f"{name}.bias"]), axis=-1, epsilon=1e-6)

    def shape(x, *sides):
        return g.node("Reshape", x, g.constant(sides, np.int64))

    x = g.node("Conv", "pixels", g.constant(t["patch_embed.proj.weight"]), g.constant(t["patch_embed.proj.bias"]),
               kernel_shape=[patch, patch], strides=[patch, patch])
    x = g.node("Transpose", shape(x, 1, width, tokens - 1), perm=[0, 2, 1])
    x = g.node("Add", g.node("Concat", g.constant(t["cls_token"]), x, axis=1), g.constant(t["pos_embed"]))
    layer = 0
    while f"blocks.{layer}.attn.qkv.weight" in t:
        name = f"blocks.{layer}"
        qkv = linear(norm(x, f"{name}.norm1"), f"{name}.attn.qkv")
        parts = [g.node("Slice", qkv, *(g.constant([v], np.int64) for v in (i * width, (i + 1) * width, 2))) for i in range(3)]
        if fused:
            mixed = g.node("MultiHeadAttention", *parts, domain="com.microsoft", num_heads=heads)
        else:
            q, k, v = (g.node("Transpose", shape(p, 1, tokens, heads, head), perm=perm)
                       for p, perm in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])))
            scores = g.node("Softmax", g.node("Mul", g.node("MatMul", q, k), g.constant(head ** -0.5)), axis=-1)
            mixed = shape(g.node("Transpose", g.node("MatMul", scores, v), perm=[0, 2, 1, 3]), 1, tokens, width)
        x = g.node("Add", linear(mixed, f"{name}.attn.proj", f"{name}.ls1.gamma"), x)
        hidden = g.node("Gelu", linear(norm(x, f"{name}.norm2"), f"{name}.mlp.fc1"))
        x = g.node("Add", linear(hidden, f"{name}.mlp.fc2", f"{name}.ls2.gamma"), x)
        layer += 1
    x = norm(x, "norm")
    x = g.node("Gather", x, g.constant(0, np.int64), axis=1)
    return g.model(x, side, width), side


def location(path):
    """The weights file and the name of a model."""
    if os.path.isdir(path):
        path = os.path.join(path, "model.safetensors")
    stem = os.path.basename(path).removesuffix(".safetensors")
    return path, os.path.basename(os.path.dirname(os.path.abspath(path))) if stem == "model" else stem


def input_side(path):
    """The side that config.json beside the weights names, else 224."""
    config = os.path.join(os.path.dirname(path), "config.json")
    if not os.path.exists(config):
        return 224
    with open(config) as file:
        return json.load(file).get("pretrained_cfg", {}).get("input_size", [3, 224, 224])[1]


def session_for(path, name, options):
    tensors = read_safetensors(path)
    if "conv_stem.weight" in tensors:
        side = input_side(path)
        model = mobilenet_v2(tensors, "tf" in name.split("_"), side)
    else:
        model, side = vision_transformer(tensors, options.heads, not options.plain)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"]), side


def check(session, name, folder):
    """The largest error against the reference, over its largest value, with the input that fits best."""
    expected = np.load(f"{folder}/{name}.embedding.npy")[0]
    inputs = [np.load(f"{folder}/{file}") for file in os.listdir(folder) if file.startswith("input_f32_first_")]
    errors = [np.abs(session.run(None, {"pixels": pixels})[0][0] - expected).max() for pixels in inputs]
    return float(min(errors) / np.abs(expected).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", metavar="MODEL")
    parser.add_argument("--models", metavar="FOLDER", help="measure the models of the README, from this folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7, help="runs of about 0.3 s")
    parser.add_argument("--heads", type=int, help="attention heads; default: width / 64")
    parser.add_argument("--plain", action="store_true", help="attention from plain ONNX operators")
    parser.add_argument("--check", metavar="REFERENCE", help="folder with NAME.embedding.npy and input_f32_first_*.npy")
    options = parser.parse_args()
    models = [(None, path) for path in options.paths]
    if options.models:
        here = os.path.dirname(os.path.abspath(__file__))
        models += [
            ("needletail-mini", os.path.join(here, "..", "..", "Sources", "NeedletailVision", "Resources", "needletail-mini")),
            ("MobileNetV2 1.0", os.path.join(options.models, "mobilenetv2_100_tf")),
            ("ViT-Tiny", os.path.join(options.models, "vit_tiny_patch16_224")),
        ]
    if not models:
        parser.error("name a model, or --models FOLDER")
    for title, path in models:
        path, name = location(path)
        session, side = session_for(path, name, options)
        if options.check:
            print(json.dumps({"model": name, "error_of_largest_value": check(session, name, options.check)}))
        pixels = np.random.default_rng(1).standard_normal((1, 3, side, side), dtype=np.float32)

        def seconds(count):
            start = time.perf_counter()
            for _ in range(count):
                session.run(None, {"pixels": pixels})
            return (time.perf_counter() - start) / count

        seconds(3)
        count = max(1, int(0.3 / seconds(3)))
        runs = [round(1000 * seconds(count), 6) for _ in range(options.rounds)]
        median = float(np.median(runs))
        print(json.dumps({
            "figure": "embed", "variant": f"{title or name}: network, ONNX Runtime", "unit": "ms/picture", "runs": runs, "median": median,
            "note": f"onnxruntime {onnxruntime.__version__}, {options.threads} thread, {1000 / median:.1f} pictures/s"}), flush=True)


main()
