// Reads model.merges of a tokenizer.json, in two steps: what needs the text only, which a thread
// can do while another reads the vocabulary, and what needs the tokens.
//
// Memory    24 bytes a merge between the steps; Gemma's 514,906 merges have 12 MB.
// Errors    `corrupt`: the file, the index of the merge, what was found and what was expected.
// Threads   A source is read by one thread at a time. add_merges() looks tokens up with a thread
//           beside the caller's.

#pragma once

#include "runtime/base/large_table.hpp"
#include "runtime/text/added_tokens.hpp"
#include "runtime/text/bpe.hpp"
#include "runtime/text/tokenizer_source.hpp"
#include "runtime/text/vocabulary.hpp"

namespace larql::text {

/// Of the texts of a merge's two sides and of what they become.
struct merge_hashes {
  vocabulary::text_hash left;
  vocabulary::text_hash right;
  vocabulary::text_hash merged;
};

/// All merges in order of rank. Every merge is ["a", "b"] or "a b".
[[nodiscard]] result<large_table<merge_hashes>> read_merges(tokenizer_source& from);

/// Adds what read_merges() made of `from`, in order of rank. `from` is read again only to say which
/// token a merge lacks.
/// @pre tokens is complete, and out built from it and `added`, without merges yet
[[nodiscard]] result<void> add_merges(const large_table<merge_hashes>& merges,
                                      const vocabulary& tokens, const added_tokens& added,
                                      tokenizer_source& from, bpe& out);

} // namespace larql::text
