// A file with a prefix: its tokens, and the keys and values that a sequence needs to go on behind
// them. Only of use for the same weights, tokenizer, format of keys and values, and arithmetic,
// which `model` stands for, and for the same owner.
//
// Format    Little-endian. "LARQLKV", 1; u32 layers; u32 tokens; 32 bytes model; 32 bytes owner;
//           u32 makers; per layer u32 first block, u32 blocks, u64 bytes of a block; the tokens,
//           u32 each; the incarnations of the nodes that had a part in it, u64 each; SHA-256 of all
//           this. Then the blocks, layer by layer, and the SHA-256 of all blocks.
//           Never change: another format gets another magic.
// Memory    Nothing is allocated from a number of the file before it was compared with the model.
// Errors    errc::corrupt names the file, what was found and what was expected; errc::mismatch is a
//           file of another model or owner. A file of somebody else, or one that others can read or
//           write, is errc::usage.
// Blocking  Reads and writes files of hundreds of megabytes.

#pragma once

#include "runtime/base/sha256.hpp"
#include "runtime/generate/sequence.hpp"

#include <filesystem>
#include <memory>

namespace larql::generate {

/// Whose prefix it is, and for which model.
struct prompt_file_id {
  sha256_digest model{};
  sha256_digest owner{};

  friend bool operator==(const prompt_file_id&, const prompt_file_id&) = default;
};

/// Writes a file that its owner alone may read. `makers` are the incarnations of all nodes that had
/// a part in the prefix.
[[nodiscard]] result<void> write_prompt_file(const std::filesystem::path& path,
                                             const prompt_file_id& id, const sequence::prefix& p,
                                             std::span<const std::uint64_t> makers = {});

/// The beginning of a file, checked by its SHA-256 and by the file's size.
struct prompt_file_head {
  prompt_file_id id;
  std::vector<std::uint32_t> tokens;
  std::vector<std::uint64_t> makers; ///< incarnations
  std::uint64_t bytes = 0;           ///< of the whole file
};
[[nodiscard]] result<prompt_file_head> read_prompt_head(const std::filesystem::path& path);

/// Fills an empty sequence. A failure leaves it empty. With a ledger the sequence remembers who had
/// a part in it; without one nobody is ever condemned.
[[nodiscard]] result<void> read_prompt_file(const std::filesystem::path& path,
                                            const prompt_file_id& id, sequence& into,
                                            const experts::maker_ledger* ledger = nullptr);

} // namespace larql::generate
