#include "actors/core/errc.hpp"

#include <caf/all.hpp>

namespace larql::actors {

namespace {

// Atoms are at most ten characters in CAF 0.17.
constexpr auto category = caf::atom("larql");

} // namespace

std::string to_string(call_errc code) {
  switch (code) {
  case call_errc::none: return "none";
  case call_errc::overloaded: return "overloaded";
  case call_errc::draining: return "draining";
  case call_errc::not_owner: return "not owner";
  case call_errc::bad_call: return "bad call";
  case call_errc::link_lost: return "link lost";
  case call_errc::node_failed: return "node failed";
  case call_errc::deadline: return "deadline";
  case call_errc::restarting: return "restarting";
  }
  return "unknown";
}

caf::error make_error(call_errc code, std::string text) {
  return {static_cast<std::uint8_t>(code), category, caf::make_message(std::move(text))};
}

call_errc code_of(const caf::error& err) {
  // An empty error has no category to ask for.
  if (!err || err.category() != category)
    return call_errc::none;
  return static_cast<call_errc>(err.code());
}

std::string text_of(const caf::error& err) {
  if (!err)
    return "no error";
  if (err.category() == category && err.context().match_elements<std::string>())
    return err.context().get_as<std::string>(0);
  if (err.category() == caf::atom("system"))
    return caf::to_string(static_cast<caf::sec>(err.code()));
  if (err.category() == caf::atom("exit"))
    return caf::to_string(static_cast<caf::exit_reason>(err.code()));
  return caf::to_string(err);
}

} // namespace larql::actors
