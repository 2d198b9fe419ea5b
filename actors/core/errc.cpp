#include "actors/core/errc.hpp"

#include <caf/all.hpp>

namespace larql::actors {

namespace {

// Atoms are at most ten characters in CAF 0.17.
constexpr auto category = caf::atom("larql");

} // namespace

caf::error make_error(failure_code code, std::string text) {
  // Zero means "no error" to CAF.
  return {static_cast<std::uint8_t>(static_cast<unsigned>(code) + 1), category,
          caf::make_message(std::move(text))};
}

std::optional<failure_code> code_of(const caf::error& err) {
  // An empty error has no category to ask for.
  if (!err || err.category() != category)
    return std::nullopt;
  return static_cast<failure_code>(err.code() - 1);
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
