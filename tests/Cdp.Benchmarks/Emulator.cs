using CdpFunctions.Local.Emulator;

namespace Cdp.Benchmarks;

/// <summary>A fresh Azurite, in memory, that ends with the benchmark.</summary>
internal static class Emulator
{
    public static Task<AzuriteProcess> StartAsync() =>
        AzuriteProcess.StartAsync(AzuriteOptions.InMemory with { ExtraAccounts = 20 }, Console.WriteLine, CancellationToken.None);
}
