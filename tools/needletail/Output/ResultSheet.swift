import Foundation

/// A page that shows a question and what was found, with all pictures inside: one file to keep or to send.
package struct ResultSheet: Sendable {
    package struct Hit: Sendable {
        package var rank: Int
        package var id: String
        package var distance: String
        /// Name and value, in the schema's order.
        package var fields: [(name: String, value: String)]
        /// A JPEG.
        package var thumbnail: Data?

        package init(rank: Int, id: String, distance: String, fields: [(name: String, value: String)], thumbnail: Data?) {
            self.rank = rank
            self.id = id
            self.distance = distance
            self.fields = fields
            self.thumbnail = thumbnail
        }
    }

    /// The collection and its file, for the headline.
    package var collection: String
    package var database: String
    /// What was asked: a picture's path, a record's id, a vector.
    package var question: String
    /// A JPEG of the picture that was asked with.
    package var picture: Data?
    /// Further facts: filter, plan, time. Name and value.
    package var facts: [(name: String, value: String)]
    package var hits: [Hit]

    package init(
        collection: String, database: String, question: String, picture: Data?, facts: [(name: String, value: String)], hits: [Hit]
    ) {
        self.collection = collection
        self.database = database
        self.question = question
        self.picture = picture
        self.facts = facts
        self.hits = hits
    }

    /// The page.
    package var html: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(Self.escaped(Self.name(question))) · \(Self.escaped(collection))</title>
        <style>
        \(Self.style)
        </style>
        </head>
        <body>
        <header>
        \(pictureTag(picture, alt: question, class: "question"))<div>
        <p class="eyebrow">\(Self.escaped(collection)) · \(Self.escaped(Self.name(database)))</p>
        <h1>\(Self.escaped(Self.name(question)))</h1>
        <dl>\(facts.map { "<div><dt>\(Self.escaped($0.name))</dt><dd>\(Self.escaped($0.value))</dd></div>" }.joined())</dl>
        </div>
        </header>
        <main>
        \(hits.isEmpty ? "<p class=\"none\">Nothing was found.</p>" : hits.map(card).joined(separator: "\n"))
        </main>
        </body>
        </html>

        """
    }

    private func card(_ hit: Hit) -> String {
        // The fields that stand in the headline, or are told by the path, would only repeat themselves.
        let title = hit.fields.first { $0.name == "description" && !$0.value.isEmpty }?.value ?? Self.name(hit.id)
        let rows = hit.fields
            .filter { !$0.value.isEmpty && $0.value != title && $0.value != hit.id }
            .map { "<div><dt>\(Self.escaped($0.name))</dt><dd>\(Self.escaped($0.value))</dd></div>" }
        return """
            <article>
            <div class="frame">\(pictureTag(hit.thumbnail, alt: hit.id, class: "hit"))\(hit.thumbnail == nil ? "<span class=\"empty\">no picture</span>" : "")\
            <span class="rank">\(hit.rank)</span>\(hit.distance.isEmpty ? "" : "<span class=\"distance\">\(Self.escaped(hit.distance))</span>")</div>
            <h2>\(Self.escaped(title))</h2>
            <p class="id" title="\(Self.escaped(hit.id))"><bdi>\(Self.escaped(hit.id))</bdi></p>
            <dl>\(rows.joined())</dl>
            </article>
            """
    }

    private func pictureTag(_ jpeg: Data?, alt: String, class name: String) -> String {
        guard let jpeg else { return "" }
        return "<img class=\"\(name)\" alt=\"\(Self.escaped(alt))\" src=\"data:image/jpeg;base64,\(jpeg.base64EncodedString())\">"
    }

    /// The last component of a path; the whole of anything else.
    private static func name(_ path: String) -> String {
        path.hasPrefix("[") ? path : path.split(separator: "/").last.map(String.init) ?? path
    }

    package static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    // Thumbnails have been laid on white, so their frames are white in the dark as well.
    private static let style = """
        :root { --page: #f6f6f4; --card: #fff; --ink: #1c1d1f; --soft: #6a6d73; --line: #e3e3df; --accent: #0b6e6e; }
        @media (prefers-color-scheme: dark) {
          :root { --page: #16171a; --card: #202226; --ink: #ececea; --soft: #9a9ea6; --line: #33363c; --accent: #67c7c4; }
        }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 32px 24px 64px; max-width: 1240px; background: var(--page); color: var(--ink);
               font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
        header { display: flex; gap: 28px; align-items: center; margin-bottom: 32px; }
        header > div { min-width: 0; }
        img.question { width: 176px; height: 176px; object-fit: contain; padding: 10px; background: #fff;
                       border: 1px solid var(--line); border-radius: 14px; flex: none; }
        .eyebrow { margin: 0 0 4px; color: var(--accent); font-weight: 600; font-size: 13px; letter-spacing: .02em; }
        h1 { margin: 0 0 12px; font-size: 27px; line-height: 1.2; font-weight: 650; overflow-wrap: anywhere; }
        dl { margin: 0; }
        header dl { display: flex; flex-wrap: wrap; gap: 6px 24px; }
        header dl div { display: flex; gap: 8px; }
        dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
        main { display: grid; grid-template-columns: repeat(auto-fill, minmax(196px, 1fr)); gap: 20px; }
        article { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 12px 12px 14px; min-width: 0; }
        .frame { position: relative; aspect-ratio: 1; display: grid; place-items: center; background: #fff; border-radius: 8px; overflow: hidden; }
        img.hit { width: 100%; height: 100%; object-fit: contain; padding: 8px; }
        .rank, .distance { position: absolute; bottom: 8px; padding: 1px 8px; border-radius: 99px; font-size: 12.5px; font-variant-numeric: tabular-nums;
                           background: rgb(20 21 24 / .78); color: #fff; }
        .rank { left: 8px; font-weight: 650; } .distance { right: 8px; }
        .empty { color: #8a8d92; font-size: 13px; }
        h2 { margin: 12px 2px 2px; font-size: 15.5px; line-height: 1.3; font-weight: 620; overflow-wrap: anywhere; }
        .id { margin: 0 2px 8px; color: var(--soft); font-size: 12.5px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; direction: rtl; text-align: left; }
        article dl { margin: 0 2px; font-size: 13px; }
        article dl div { display: grid; grid-template-columns: minmax(56px, auto) 1fr; gap: 10px; padding: 3px 0; border-top: 1px solid var(--line); }
        article dd { text-align: right; }
        .none { color: var(--soft); grid-column: 1 / -1; }
        @media (max-width: 560px) { header { flex-direction: column; align-items: flex-start; } }
        @media print { body { background: #fff; padding: 0; } article { break-inside: avoid; } }
        """
}
