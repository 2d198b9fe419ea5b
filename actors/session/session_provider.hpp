// Whoever answers prompts for the front ends of a process: its own session service, or one that is
// elsewhere.
//
// Owner     Its caller, who keeps it longer than the clients.

#pragma once

#include "actors/session/session_client.hpp"

#include <filesystem>
#include <vector>

namespace larql::actors {

struct cache_identity;  // session_service.hpp
struct session_options; // session_service.hpp

class session_provider {
public:
  session_provider() = default;
  virtual ~session_provider() = default;
  session_provider(const session_provider&) = delete;
  session_provider& operator=(const session_provider&) = delete;

  [[nodiscard]] virtual session_client client() const = 0;
  /// With the context that requests have.
  [[nodiscard]] virtual const session_options& options() const noexcept = 0;

  /// Keeps the first `tokens` tokens of a session, or as many fewer as one can go on from, in a
  /// file that its owner alone may read (generate/prompt_file.hpp). How many they are; none: there
  /// is no file, as where keys and values are elsewhere. Blocking. @pre nothing runs in the session
  [[nodiscard]] virtual result<std::uint32_t>
  save_session(session_id session, std::uint32_t tokens, const std::filesystem::path& file,
               const cache_identity& identity) const = 0;
  /// A session that was just opened goes on from such a file: the tokens that it holds; none where
  /// keys and values are elsewhere. Blocking. errc::mismatch: the file is another model's.
  [[nodiscard]] virtual result<std::vector<std::uint32_t>>
  load_session(session_id session, const std::filesystem::path& file,
               const cache_identity& identity) const = 0;
};

} // namespace larql::actors
