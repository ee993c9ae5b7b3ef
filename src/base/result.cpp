// base/result.cpp - the one table from faults to exit codes and HTTP statuses.
#include "base/result.h"

#include "base/check.h"

namespace hearth {
namespace {
constexpr FaultInfo kFaults[] = {
    {Fault::usage, "usage", 2, 400, "invalid_request_error"},
    {Fault::not_found, "not_found", 3, 404, "not_found_error"},
    {Fault::corrupt, "corrupt", 4, 422, "invalid_request_error"},
    {Fault::unsupported, "unsupported", 5, 422, "invalid_request_error"},
    {Fault::out_of_range, "out_of_range", 6, 400, "invalid_request_error"},
    {Fault::no_memory, "no_memory", 7, 503, "server_error"},
    {Fault::disk_full, "disk_full", 8, 507, "server_error"},
    {Fault::io, "io", 9, 500, "server_error"},
    {Fault::busy, "busy", 10, 429, "rate_limit_error"},
    {Fault::cancelled, "cancelled", 11, 499, "server_error"},
    {Fault::internal, "internal", 70, 500, "server_error"},
};
}  // namespace

const FaultInfo& info(Fault fault) {
    const auto row = static_cast<std::size_t>(fault);
    HEARTH_CHECK(row < std::size(kFaults) && kFaults[row].fault == fault, "the fault table is in enum order");
    return kFaults[row];
}

}  // namespace hearth
