// The examples of the documents, as code that compiles and runs. What stands between the markers is compared with the documents by
// DocumentationTests, so a change here or there fails until both are changed. `folder + "/` stands for a plain `"`: a test must
// not change the working directory, which all tests share.

import Foundation
import Needletail
import NeedletailVision

enum Examples {
    /// README.md, "In Swift".
    static func pictures(_ folder: String) async throws -> [SearchHit] {
        // begin README.md
        let database = try Database(path: folder + "/photos.ntl")
        let embedder = try ImageEmbedder.builtIn()
        let model = embedder.information
        let photos = try await database.createCollection(
            "photos",
            schema: Schema(
                dimension: model.dimension, metric: .cosine, fields: [Field("label", .string), Field("year", .int)],
                model: EmbeddingModel(name: model.name, version: model.version, checksum: model.checksum)))

        try await photos.insert([
            Record(id: "tom.jpg", vector: try embedder.embed(contentsOf: folder + "/tom.jpg"), fields: ["label": "cat", "year": 2023]),
            Record(id: "rex.jpg", vector: try embedder.embed(contentsOf: folder + "/rex.jpg"), fields: ["label": "dog", "year": 2024]),
        ])

        let query = try embedder.embed(contentsOf: folder + "/query.jpg")
        let filter = Filter.field("label").in(["cat", "dog"]) && Filter.field("year") >= 2020
        for hit in try photos.search(near: query, k: 10, where: filter) {
            print(hit.id, hit.distance, hit.fields["label"] ?? "-")
        }
        // end
        // begin README.md
        try await photos.createIndex(.hnsw())
        let hits = try photos.search(near: query, k: 10, where: filter, recall: 0.99)
        print(hits.plan)                                  // how it was searched, and the recall to expect
        // end
        return hits.hits
    }

    /// The landing page of the documentation.
    static func colours(_ folder: String) async throws -> SearchResults {
        // begin Sources/Needletail/Needletail.docc/Needletail.md
        let database = try Database(path: folder + "/colours.ntl")
        let colours = try await database.createCollection(
            "colours", schema: Schema(dimension: 3, metric: .l2, fields: [Field("name", .string), Field("warm", .bool)]))

        try await colours.insert([
            Record(id: 1, vector: [1.0, 0.0, 0.0], fields: ["name": "red", "warm": true]),
            Record(id: 2, vector: [1.0, 0.5, 0.0], fields: ["name": "orange", "warm": true]),
            Record(id: 3, vector: [0.0, 0.0, 1.0], fields: ["name": "blue", "warm": false]),
            Record(id: 4, vector: [0.0, 0.5, 0.5], fields: ["name": "teal", "warm": false]),
        ])

        let hits = try colours.search(near: [0.9, 0.3, 0.1], k: 2, where: Filter(parsing: "warm AND name != 'red'"))
        for hit in hits {
            print(hit.id, hit.fields["name"] ?? "-", hit.distance)      // 2 orange 0.244…
        }
        print(hits.plan)                                               // exact scan of 1 record
        // end
        return hits
    }

    /// What "Getting started" does with a collection.
    static func articles(_ path: String) async throws {
        let database = try Database(path: path)
        let embedding = [Float](repeating: 0.5, count: 384)
        let (better, query, queries) = (embedding, embedding, [embedding, embedding])
        // begin Sources/Needletail/Needletail.docc/GettingStarted.md
        let schema = Schema(
            dimension: 384, metric: .cosine, element: .f16,
            fields: [Field("title", .string), Field("published", .timestamp), Field("tags", .strings), Field("price", .double)])
        let articles = try await database.createCollection("articles", schema: schema)
        // end
        // begin Sources/Needletail/Needletail.docc/GettingStarted.md
        try await articles.insert(Record(id: "2024/07", vector: embedding, fields: ["title": "Swifts", "tags": ["birds", "flight"]]))
        try await articles.upsert(Record(id: "2024/07", vector: better, fields: ["title": "Swifts and swiftlets"]))
        try await articles.update("2024/07", set: ["price": 3.5])
        try await articles.delete(where: Filter(parsing: "published < '2020-01-01'"))
        // end
        // begin Sources/Needletail/Needletail.docc/GettingStarted.md
        let record = try articles.get("2024/07")
        let count = try articles.count(where: Filter.field("price") < 10)
        let hits = try articles.search(near: query, k: 10, where: Filter.field("tags").contains("birds"), select: ["title"])
        let alike = try articles.search(like: "2024/07", k: 10)
        let close = try articles.search(near: query, within: 0.2)
        let many = try articles.search(nearEach: queries, k: 10, threads: 4)
        // end
        _ = (record, count, hits, alike, close, many)
        // begin Sources/Needletail/Needletail.docc/GettingStarted.md
        do {
            _ = try articles.search(near: [1, 2, 3])
        } catch {
            print(error.code, error.expected ?? 0, error.actual ?? 0)      // dimensionMismatch 384 3
        }
        // end
    }

    /// A collection large enough for an index to be worth it, and what "Choosing an index" and "Recall" do with it.
    static func indexes(_ path: String) async throws {
        let database = try Database(path: path)
        let articles = try await database.createCollection("articles", schema: Schema(dimension: 8))
        var records: [Record] = []
        for i in 0 ..< 3_000 {
            let vector: [Float] = (0 ..< 8).map { j in
                let place: Int = i * 7 + j * j * 31 + i / 50 * j
                return Float(place % 101) / 100
            }
            records.append(Record(id: .int(Int64(i)), vector: vector))
        }
        try await articles.insert(records)
        let query = [Float](repeating: 0.4, count: 8)
        try await choosingAnIndex(articles, query)
        try recall(articles, query)
        try efSearch(articles, query)
    }

    private static func choosingAnIndex(_ articles: Collection, _ query: [Float]) async throws {
        // begin Sources/Needletail/Needletail.docc/ChoosingAnIndex.md
        try await articles.createIndex()
        let hits = try articles.search(near: query, k: 10)
        // end
        // begin Sources/Needletail/Needletail.docc/ChoosingAnIndex.md
        if let index = try articles.index(), index.tailCount > 10_000 {
            try await articles.optimize()
        }
        // end
        // begin Sources/Needletail/Needletail.docc/ChoosingAnIndex.md
        let close = try articles.search(near: query, within: 0.2)
        let pages = try articles.pages(near: query)
        let first = try pages.next(20)
        let second = try pages.next(20)
        // end
        _ = (hits, close, first, second)
    }

    private static func recall(_ articles: Collection, _ query: [Float]) throws {
        // begin Sources/Needletail/Needletail.docc/Recall.md
        let good = try articles.search(near: query, k: 10)                       // 0.95, the default
        let better = try articles.search(near: query, k: 10, recall: 0.99)
        let all = try articles.search(near: query, k: 10, recall: 1)             // compares every record
        print(better.plan.recall)                                                // what such searches have been measured to give
        // end
        _ = (good, all)
    }

    private static func efSearch(_ articles: Collection, _ query: [Float]) throws {
        // begin Sources/Needletail/Needletail.docc/Recall.md
        let hits = try articles.search(near: query, k: 10, efSearch: 200)
        // end
        _ = hits
    }

    /// What "Statements" begins with.
    static func statements(_ path: String) async throws -> [QueryResult] {
        let database = try Database(path: path)
        try await database.query("CREATE COLLECTION photos (embedding VECTOR(2), label STRING)")
        try await database.query("INSERT INTO photos (id, embedding, label) VALUES ('a', [0, 1], 'cat'), ('b', [1, 0], 'dog')")
        let vector: [Float] = [0.25, 1]
        // begin Sources/Needletail/Needletail.docc/Statements.md
        let result = try await database.query(
            "SELECT id, label, distance FROM photos WHERE label = ? ORDER BY embedding <-> ? LIMIT 10", "cat", vector)
        for row in result.rows { print(row[0], row[1], row[2]) }
        // end
        // begin Sources/Needletail/Needletail.docc/Statements.md
        let alike = try database.prepare("SELECT id, distance FROM photos WHERE label = ? ORDER BY embedding <-> ? LIMIT 10")
        let cats = try await alike.run("cat", vector)
        let dogs = try alike.read("dog", vector)
        // end
        return [result, cats, dogs]
    }

    /// What "Filtering" begins with.
    static func filters() throws -> Bool {
        // begin Sources/Needletail/Needletail.docc/Filtering.md
        let a = Filter.field("label").in(["cat", "dog"]) && Filter.field("price") < 10
        let b = try Filter(parsing: "label IN ('cat', 'dog') AND price < 10")
        assert(a == b)
        // end
        return a == b
    }
}
