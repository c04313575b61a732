import Foundation
import NeedletailTestSupport
import NeedletailVision
import Testing

/// The reader of weights: what is right is read to the bit, what is wrong is refused by name.
@Suite struct SafetensorsTests {
    private let folder: TemporaryFolder
    private var path: String { folder.path("model.safetensors") }

    init() throws { folder = try TemporaryFolder() }

    private func write(_ data: Data) throws { try data.write(to: URL(fileURLWithPath: path)) }

    @Test("tensors of each type are read exactly, wherever they lie")
    func types() throws {
        var builder = SafetensorsBuilder()
        builder.metadata = ["name": "x", "odd": "1"]
        builder.add("one.byte", type: "U8", [1], Data([9]))
        builder.add("single", [2, 2], [1, -2, 3.5, .infinity])
        builder.add("half", type: "F16", [3], Data([0x00, 0x3c, 0x01, 0x00, 0x00, 0xc0]))
        builder.add("brain", type: "BF16", [2], Data([0x80, 0x3f, 0x00, 0xc0]))
        builder.add("empty", [0, 4], [])
        builder.add("scalar", [], [7])
        try write(builder.file())
        let file = try SafetensorsFile(path)
        #expect(file.metadata == ["name": "x", "odd": "1"])
        #expect(try file.floats("single") == [1, -2, 3.5, .infinity])
        #expect(try file.floats("half") == [1, 0x1p-24, -2])
        #expect(try file.floats("brain") == [1, -2])
        #expect(try file.floats("empty") == [])
        #expect(try file.floats("scalar") == [7])
        #expect(file.tensors["single"]?.shape == [2, 2])
        let type = #expect(throws: VisionError.self) { try file.floats("one.byte") }
        #expect(type?.code == .unsupportedModel && type?.tensor == "one.byte")
        let missing = #expect(throws: VisionError.self) { try file.floats("none") }
        #expect(missing?.code == .missingTensor && missing?.tensor == "none" && missing?.path == path)
    }

    static let lies: [(header: String, length: UInt64?, dataCount: Int, culprit: String?)] = [
        ("", 0, 0, nil),
        ("{}", 3, 0, nil),
        ("{}", .max, 0, nil),
        ("{}", 1 << 40, 100, nil),
        ("[]", nil, 0, nil),
        (" {}", nil, 0, nil),
        ("{\"a\"", nil, 0, nil),
        ("{}", nil, 4, nil),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, nil, 4, "a"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, nil, 8, "a"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, nil, 7, "a"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, nil, 8, "a"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, nil, 8, nil),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, nil, 4, "a"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, nil, 4, "a"),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, nil, 4, "a"),
        (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, nil, 4, "a"),
        (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4,4],"data_offsets":[0,4]}}"#, nil, 4, "a"),
        (#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, nil, 0, "a"),
        (#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, nil, 4, "a"),
        (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, nil, 4, nil),
        (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999]}}"#, nil, 4, nil),
        (#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, nil, 4, nil),
        (#"{"a":7}"#, nil, 0, nil),
        (#"{"__metadata__":{"x":1}}"#, nil, 0, nil),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, nil, 12, "b"),
    ]

    @Test("a header that lies is refused", arguments: lies.indices)
    func refused(_ index: Int) throws {
        let lie = Self.lies[index]
        try write(SafetensorsBuilder.file(header: lie.header, length: lie.length, data: Data(count: lie.dataCount)))
        let error = #expect(throws: VisionError.self) { try SafetensorsFile(path) }
        #expect(error?.code == .invalidModel)
        #expect(error?.path == path)
        if let culprit = lie.culprit { #expect(error?.tensor == culprit) }
    }

    @Test("a file cut anywhere is refused, and changed bytes of the header never crash")
    func damaged() throws {
        let whole = SafetensorsBuilder.smallMobileNet().file()
        for count in [0, 1, 7, 8, 9, 100, 1000, whole.count - 1] {
            try write(whole.prefix(count))
            let error = #expect(throws: VisionError.self) { try ImageEmbedder(modelAt: path) }
            #expect(error?.code == .invalidModel, "cut to \(count) bytes")
        }
        var generator = SeededGenerator(seed: 31)
        for _ in 0 ..< 200 {
            var bytes = [UInt8](whole)
            for _ in 0 ..< Int.random(in: 1 ... 4, using: &generator) {
                bytes[Int.random(in: 0 ..< 4000, using: &generator)] = UInt8.random(in: 0 ... 255, using: &generator)
            }
            bytes.withUnsafeBytes { bytes in
                do throws(VisionError) {
                    _ = try SafetensorsHeader(bytes, path: "changed")
                } catch {
                    #expect(error.path == "changed")
                }
            }
        }
    }

    @Test("missing files and folders are told from bad ones")
    func paths() throws {
        #expect(#expect(throws: VisionError.self) { try ImageEmbedder(modelAt: path) }?.code == .notFound)
        #expect(#expect(throws: VisionError.self) { try ImageEmbedder(modelAt: folder.url.path) }?.code == .notFound)
        try Data("not json".utf8).write(to: URL(fileURLWithPath: folder.path("config.json")))
        try write(SafetensorsBuilder.smallMobileNet().file())
        let error = #expect(throws: VisionError.self) { try ImageEmbedder(modelAt: path) }
        #expect(error?.code == .invalidModel && error?.path == folder.path("config.json"))
    }

    @Test("the checksum is the file's SHA-256")
    func checksum() throws {
        try write(SafetensorsBuilder.file(header: "{}", data: Data()))
        #expect(try SafetensorsFile(path).sha256() == "411a485216e432ece6b9af94fa32154cf79a2a56d4f81266baa50063f45092bd")
        #expect(try ImageEmbedder.builtIn().information.checksum == "2461cf4a588669b6b1da315488e1296cdf798dacf28ebcca0ef2d6e3d4cdd61c")
    }
}
