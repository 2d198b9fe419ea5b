#include "cli/node/loading_port.hpp"

#include "actors/net/handshake.hpp"

#include <fcntl.h>
#include <system_error>

namespace larql::cli {

result<std::unique_ptr<actors::listener>> open_loading_port(const actors::socket& listening,
                                                            const actors::tls_context_ptr& tls,
                                                            const node_health& health) {
  auto copy = actors::socket{::fcntl(listening.fd(), F_DUPFD_CLOEXEC, 0)};
  if (!copy)
    return fail(errc::io, "listening: {}", std::generic_category().message(errno));
  try {
    return std::make_unique<actors::listener>(
        std::move(copy), tls, actors::listener_options{},
        [&health](actors::secure_stream s, actors::time_limit until) {
          return actors::say_loading(s, health.waits_for(), until);
        });
  } catch (const std::system_error& e) {
    return fail(errc::io, "cannot start a thread: {}", e.what());
  }
}

} // namespace larql::cli
