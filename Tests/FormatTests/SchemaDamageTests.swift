import Foundation
import Needletail
import NeedletailStorage
import NeedletailTestSupport
import Testing

/// The catalog has no checksum: a schema that does not fit its table must be refused, not believed.
@Suite struct SchemaDamageTests {
    @Test("a schema that contradicts its table is refused", arguments: [
        #"{"vectorName":"v","dimension":2,"metric":"l2","element":"f32","fields":[{"name":"a","type":"int","isIndexed":false}]}"#: true,
        #"{"vectorName":"v","dimension":3,"metric":"l2","element":"f32","fields":[{"name":"a","type":"int","isIndexed":false}]}"#: false,
        #"{"vectorName":"v","dimension":2,"metric":"l2","element":"f16","fields":[{"name":"a","type":"int","isIndexed":false}]}"#: false,
        #"{"vectorName":"v","dimension":2,"metric":"l2","element":"f32","fields":[{"name":"a","type":"string","isIndexed":false}]}"#: false,
        #"{"vectorName":"v","dimension":2,"metric":"l2","element":"f32","fields":[]}"#: false,
        #"{"vectorName":"v","dimension":9223372036854775807,"metric":"l2","element":"f32","fields":[]}"#: false,
    ])
    func contradiction(json: String, fits: Bool) throws {
        let folder = try TemporaryFolder()
        let environment = try Environment(path: folder.path("a.ntl"))
        try environment.writeBlocking { transaction throws(StorageError) in
            _ = try transaction.createTable(TableDescriptor(
                name: "t", vectorByteCount: 8, columns: [ColumnDescriptor(name: "a", type: .int)], userInfo: Data(json.utf8)))
        }
        environment.close()
        let database = try Database(path: folder.path("a.ntl"))
        do {
            let collection = try database.collection("t")
            #expect(fits)
            #expect(try collection.search(near: [1, 2], where: Filter(parsing: "a = 1")).isEmpty)
        } catch { #expect(!fits && error.code == .corrupt, "\(error)") }
        database.close()
    }
}
