// Whether the text files of a checkpoint fit its weights: what `run` would refuse is refused before
// anything is written.

#pragma once

#include "runtime/import/checkpoint.hpp"

#include <string>
#include <vector>

namespace larql::import {

/// An error for a tokenizer that cannot be read or has more tokens than the model has rows, and for
/// a generation config that makes no sense. What is left out of them goes to the notes.
[[nodiscard]] result<void> check_texts(checkpoint& c);

} // namespace larql::import
