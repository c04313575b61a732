import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

/// From picture files to vectors.
@Suite struct ImageEmbedderTests {
    @Test("the built-in model says what it is")
    func builtIn() throws {
        let embedder = try ImageEmbedder.builtIn()
        #expect(embedder.information.name == "needletail-mini")
        #expect(embedder.information.version == "1")
        #expect(embedder.information.dimension == 192 && embedder.information.metric == "cosine")
        #expect(embedder.preprocessing == Preprocessing(resizeShortSide: 144, cropWidth: 128, cropHeight: 128, interpolation: .bicubic))
    }

    @Test("a program without its resources gets an error, not an end")
    func withoutResources() throws {
        let folder = try TemporaryFolder()
        for places in [[], [folder.url.appendingPathComponent("needletail_NeedletailVision.resources/needletail-mini")]] {
            #expect(#expect(throws: VisionError.self) { try ImageEmbedder.builtIn(in: places) }?.code == .notFound)
        }
    }

    @Test("many threads get what one gets")
    func threads() async throws {
        let embedder = try ImageEmbedder.builtIn()
        let pictures = (0 ..< 4).map { seed in
            PixelImage(width: 160, height: 150, pixels: (0 ..< 160 * 150 * 3).map { UInt8(truncatingIfNeeded: $0 &* (seed + 3) / 7) })
        }
        let alone = try pictures.map { try embedder.embed($0) }
        for vector in alone {
            #expect(vector.count == 192)
            #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
        let together = try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
            for round in 0 ..< 3 {
                for i in pictures.indices {
                    group.addTask { ((i + round) % pictures.count, try embedder.embed(pictures[(i + round) % pictures.count])) }
                }
            }
            return try await group.reduce(into: [(Int, [Float])]()) { $0.append($1) }
        }
        #expect(together.count == 12)
        for (i, vector) in together { #expect(vector == alone[i]) }
    }

    @Test("a file that is no picture is refused by name")
    func noPicture() throws {
        let folder = try TemporaryFolder()
        try Data("no picture".utf8).write(to: URL(fileURLWithPath: folder.path("a.jpg")))
        let embedder = try ImageEmbedder.builtIn()
        #expect(#expect(throws: VisionError.self) { try embedder.embed(contentsOf: folder.path("a.jpg")) }?.path == folder.path("a.jpg"))
    }

    @Test(
        "from file to vector, embeddings are timm's", .enabled(if: SharedData.exists("models") && SharedData.exists("images/photos"), "\(SharedData.absent)"),
        arguments: ["vit_tiny_patch16_224", "mobilenetv2_100_tf"])
    func wholePath(_ model: String) throws {
        let embedder = try ImageEmbedder(modelAt: #require(SharedData.url("models/\(model)")).path)
        let expected = try ArrayFile(npy: #require(SharedData.url("models/reference/\(model).embedding.npy")))
        let values = try expected.floats(), dimension = expected.shape[1]
        for (i, picture) in ["n01440764_tench", "n02391049_zebra", "n03063689_coffeepot"].enumerated() {
            let actual = try embedder.embed(contentsOf: #require(SharedData.url("images/photos/\(picture).jpg")).path)
            let reference = values[i * dimension ..< (i + 1) * dimension]
            let length = reference.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let error = zip(actual, reference).reduce(0) { max($0, abs($1.0 - $1.1 / length)) }
            let largest = reference.reduce(0) { max($0, abs($1)) } / length
            // libjpeg versions differ by a unit in a few pixels; where they agree the error is that of the network.
            #expect(error <= 1e-4 * largest, "\(picture): error \(error / largest) of the largest value")
        }
    }
}
