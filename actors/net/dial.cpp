#include "actors/net/dial.hpp"

#include "actors/net/handshake.hpp"
#include "actors/net/handshake_hints.hpp"

namespace larql::actors {

result<dialled_node> dial_node(const topology::shard_url& url, const tls_context_ptr& tls,
                               const schema::hello& hello, time_limit until) {
  const auto label = to_string(url);
  if (url.tls && !tls)
    return fail(
        errc::usage,
        "{}: needs certificates or a cluster secret (--tls-ca, --tls-cert and --tls-key, or "
        "--secret-file)",
        label);
  LARQL_TRY(auto s, dial({url.host, url.port}, until));
  const auto used = url.tls ? tls : nullptr;
  LARQL_TRY(auto connection, with_hint(secure_stream::dialled(std::move(s), used, until), used));
  if (!connection.identity().may_serve())
    return fail(errc::mismatch, "{}: its certificate is one of a {}, expected a node", label,
                name_of(connection.identity().role));
  LARQL_TRY(auto greeted, with_hint(greet_node(connection, hello, until), used));
  if (const auto& proven = connection.identity().name; !proven.empty() && proven != greeted.node)
    return fail(errc::mismatch, "{}: calls itself {}, its certificate is for {}", label,
                greeted.node, proven);
  return dialled_node{std::move(greeted), std::move(connection)};
}

result<secure_stream> dial_laptop(const topology::shard_url& at, const tls_context_ptr& tls,
                                  time_limit until) {
  LARQL_TRY(auto s, dial({at.host, at.port}, until));
  LARQL_TRY(auto connection, with_hint(secure_stream::dialled(std::move(s), tls, until), tls));
  if (connection.identity().role == peer_role::node)
    return fail(errc::mismatch, "{}: its certificate is one of a node, expected a laptop",
                host_port(at));
  return connection;
}

} // namespace larql::actors
