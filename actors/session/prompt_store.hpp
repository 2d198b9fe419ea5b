// Where prompts outlast the process, as the scheduler sees it: disk_store.hpp, or nothing.

#pragma once

#include "runtime/generate/sequence.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace larql::actors {

class prompt_store {
public:
  virtual ~prompt_store() = default;

  /// Tokens of the longest prefix that load() would find, at most `most`. What a condemned node had
  /// a part in is never found.
  [[nodiscard]] virtual std::uint32_t
  reach(const std::string& client, std::span<const std::uint32_t> tokens, std::uint32_t most) = 0;

  /// Fills an empty sequence with that prefix, in another thread, and hands it back; it is empty if
  /// the file turned out to be of no use.
  using loaded_fn = std::function<void(std::unique_ptr<generate::sequence>)>;
  virtual void load(const std::string& client, std::vector<std::uint32_t> tokens,
                    std::uint32_t most, std::unique_ptr<generate::sequence> into,
                    loaded_fn on_loaded) = 0;

  /// Writes a prefix in another thread, unless the store has it or a condemned node had a part in
  /// it.
  virtual void save(const std::string& client, generate::sequence::prefix prefix) = 0;

  /// Returns once everything that was to be saved is, and everything void is gone.
  virtual void flush() = 0;
};

} // namespace larql::actors
