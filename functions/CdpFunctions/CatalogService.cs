using Cdp.Catalog;
using Cdp.TrackingPlans;
using Microsoft.Extensions.Logging;

namespace CdpFunctions;

/// <summary>Writes what this process saw for the catalogue, and what contradicted tracking plans.</summary>
public sealed class CatalogService(CatalogRecorder catalog, ViolationRecorder violations, TimeProvider time, ILogger<CatalogService> log)
    : PeriodicFlush(CatalogRecorder.FlushEvery, time, log)
{
    protected override Task WriteAsync(CancellationToken cancellation) => Task.WhenAll(catalog.FlushAsync(cancellation), violations.FlushAsync(cancellation));
}
