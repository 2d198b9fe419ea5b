#include "actors/join_desk.hpp"

namespace larql::actors {

namespace {

struct desk {
  decide_fn decide;
  take_fn take;
  visit_fn visit;
};

result<void> receive_node(const desk& d, stream s, schema::announce node, time_limit until) {
  if (!s.identity().may_serve())
    return refuse(
        s,
        fmt::format("your certificate is one of a {}, expected a node", name_of(s.identity().role)),
        until);
  const auto& proven = s.identity().name;
  const auto decide_on_proven = [&](const schema::announce& n) -> result<schema::accepted> {
    if (!proven.empty() && proven != n.node.node)
      return fail(errc::mismatch, "you call yourself {}, your certificate is for {}", n.node.node,
                  proven);
    return d.decide(n);
  };
  LARQL_TRY(const auto answer, greet_announced(s, node, decide_on_proven, until));
  if (answer.verdict == schema::verdict::serve)
    d.take(std::move(node.node), std::move(s));
  return {};
}

result<void> receive_visitor(const desk& d, stream s, const schema::hello& hello,
                             time_limit until) {
  if (hello.model)
    return refuse(s, "nodes announce themselves here, calls are not taken", until);
  if (!s.identity().may_call())
    return refuse(s, "your certificate is one of a node, expected a laptop or an operator", until);
  if (!d.visit)
    return refuse(s, "nodes announce themselves here to a program that only looks at them", until);
  return d.visit(std::move(s), until);
}

result<void> receive(const desk& d, stream s, time_limit until) {
  LARQL_TRY(auto who, hear_arrival(s, until));
  if (auto* node = std::get_if<schema::announce>(&who))
    return receive_node(d, std::move(s), std::move(*node), until);
  return receive_visitor(d, std::move(s), std::get<schema::hello>(who), until);
}

} // namespace

result<std::unique_ptr<listener>> open_join_desk(const topology::shard_url& at,
                                                 const tls_context_ptr& tls, decide_fn decide,
                                                 take_fn take, visit_fn visit) {
  if (!tls && !is_loopback(at.host))
    return fail(errc::usage,
                "discovery.join is {}: without certificates or a secret only a loopback address "
                "may be listened on",
                host_port(at));
  LARQL_TRY(auto listening, listen_on({at.host, at.port}));
  return std::make_unique<listener>(
      std::move(listening), tls, listener_options{},
      [d = desk{std::move(decide), std::move(take), std::move(visit)}](stream s, time_limit until) {
        return receive(d, std::move(s), until);
      });
}

} // namespace larql::actors
