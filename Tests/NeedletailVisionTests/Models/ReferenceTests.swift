import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

/// Embeddings against timm's, in double precision or close to it: max error at most 1e-4 of the largest value.
@Suite struct ReferenceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String, path: String, spec: String
        var options = ModelOptions()
        var testDescription: String { name }
    }

    static let half = Preprocessing(resizeShortSide: 248, cropWidth: 224, cropHeight: 224, interpolation: .bicubic, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
    static let imageNet = Preprocessing(resizeShortSide: 256, cropWidth: 224, cropHeight: 224, interpolation: .bicubic)
    static let cases = [
        Case(name: "vit_tiny_patch16_224", path: "vit_tiny_patch16_224", spec: "half_bicubic_248_224"),
        Case(name: "mobilenetv2_100_tf", path: "mobilenetv2_100_tf", spec: "half_bilinear_256_224"),
        Case(
            name: "vit_narrow_patch16_224_random", path: "reference/vit_narrow_patch16_224_random.safetensors", spec: "half_bicubic_248_224",
            options: ModelOptions(headCount: 6)),
        Case(
            name: "dinov2_narrow_patch14_224_random", path: "reference/dinov2_narrow_patch14_224_random.safetensors", spec: "imagenet_bicubic_256_224",
            options: ModelOptions(headCount: 6, preprocessing: imageNet)),
    ]

    @Test("embeddings equal timm's", .enabled(if: SharedData.exists("models"), "\(SharedData.absent)"), arguments: cases)
    func embeddings(_ model: Case) throws {
        let reference = try #require(SharedData.url("models/reference"))
        let embedder = try ImageEmbedder(modelAt: #require(SharedData.url("models/\(model.path)")).path, options: model.options)
        let expected = try ArrayFile(npy: reference.appendingPathComponent("\(model.name).embedding.npy"))
        let values = try expected.floats()
        #expect(embedder.information.dimension == expected.shape[1])

        // The first picture as timm's own pipeline prepared it, planes of one channel each.
        let first = try ArrayFile(npy: reference.appendingPathComponent("input_f32_first_\(model.spec).npy"))
        expectEqual(embedder.pooled(interleaved(try first.floats(), pictures: 1)[0]), values[..<expected.shape[1]])

        // All three, from the pixels after resizing and cropping; without optimisation, where a picture takes a second, none.
        #if !DEBUG
        let crops = try ArrayFile(npy: reference.appendingPathComponent("crop_u8_\(model.spec).npy"))
        let pixels = try crops.floats(), count = 224 * 224 * 3
        let mean = embedder.preprocessing.mean, std = embedder.preprocessing.std
        for picture in 0 ..< 3 {
            let input = (0 ..< count).map { (pixels[picture * count + $0] / 255 - mean[$0 % 3]) / std[$0 % 3] }
            expectEqual(embedder.pooled(input), values[picture * expected.shape[1] ..< (picture + 1) * expected.shape[1]])
        }
        #endif
    }

    @Test("the built-in model's embeddings equal its reference", .enabled(if: SharedData.exists("models"), "\(SharedData.absent)"))
    func builtIn() throws {
        let archive = try #require(SharedData.url("models/needletail-mini/reference.npz"))
        let embedder = try ImageEmbedder.builtIn()
        let inputs = interleaved(try ArrayFile(npz: archive, name: "input").floats(), pictures: 3)
        let expected = try ArrayFile(npz: archive, name: "embedding").floats()
        for (i, input) in inputs.enumerated() {
            let raw = embedder.pooled(input)
            let length = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
            expectEqual(raw.map { $0 / length }, expected[i * 192 ..< (i + 1) * 192])
        }
    }

    private func expectEqual(_ actual: [Float], _ expected: ArraySlice<Float>, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(actual.count == expected.count, sourceLocation: sourceLocation)
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let error = zip(actual, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(error <= 1e-4 * largest, "error \(error / largest) of the largest value", sourceLocation: sourceLocation)
    }

    /// Pictures of three planes each as pictures of interleaved channels.
    private func interleaved(_ planes: [Float], pictures: Int) -> [[Float]] {
        let count = planes.count / pictures, area = count / 3
        return (0 ..< pictures).map { picture in (0 ..< count).map { planes[picture * count + $0 % 3 * area + $0 / 3] } }
    }
}
