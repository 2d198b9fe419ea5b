#include "actors/join_desk.hpp"

namespace larql::actors {

namespace {

result<void> receive(stream s, time_limit until, const decide_fn& decide, const take_fn& take) {
  if (!s.identity().may_serve())
    return fail(errc::mismatch, "{}: its certificate is one of a {}, expected a node", s.peer(),
                name_of(s.identity().role));
  const auto& proven = s.identity().name;
  const auto decide_on_proven = [&](const schema::announce& node) -> result<schema::accepted> {
    if (!proven.empty() && proven != node.node.node)
      return fail(errc::mismatch, "you call yourself {}, your certificate is for {}",
                  node.node.node, proven);
    return decide(node);
  };
  LARQL_TRY(auto greeted, greet_announced(s, decide_on_proven, until));
  if (greeted.answer.verdict == schema::verdict::serve)
    take(std::move(greeted.node.node), std::move(s));
  return {};
}

} // namespace

result<std::unique_ptr<listener>> open_join_desk(const topology::shard_url& at,
                                                 const tls_context_ptr& tls, decide_fn decide,
                                                 take_fn take) {
  if (!tls && !is_loopback(at.host))
    return fail(errc::usage,
                "discovery.join is {}: without certificates or a secret only a loopback address "
                "may be listened on",
                host_port(at));
  LARQL_TRY(auto listening, listen_on({at.host, at.port}));
  return std::make_unique<listener>(
      std::move(listening), tls, listener_options{},
      [decide = std::move(decide), take = std::move(take)](stream s, time_limit until) {
        return receive(std::move(s), until, decide, take);
      });
}

} // namespace larql::actors
