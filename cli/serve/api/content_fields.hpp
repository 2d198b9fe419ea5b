// Content of a message: a text, a list of parts, or null. All protocols have this shape and differ
// in what they call a part of text.
//
// Errors    In the reader. Images, audio and documents are refused by name.

#pragma once

#include "cli/serve/api/field_reader.hpp"

#include <string>
#include <vector>

namespace larql::serve {

/// The texts of the field `key`: one for a text, one for each part of text; none if it is absent.
[[nodiscard]] std::vector<std::string> read_texts(field_reader& fields, const char* key);

/// The text of one part; nothing, and an error, if it is of another type.
[[nodiscard]] std::optional<std::string> read_text_part(field_reader& part);

/// All texts, one after the other.
[[nodiscard]] std::string join_texts(const std::vector<std::string>& texts);

} // namespace larql::serve
