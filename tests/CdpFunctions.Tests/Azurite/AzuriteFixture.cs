using CdpFunctions.Local.Emulator;

namespace CdpFunctions.Tests.Azurite;

/// <summary>
/// One Azurite, in memory, for all tests of the assembly; it ends with the test process. Each test takes an account or names of its own.
/// </summary>
public static class AzuriteFixture
{
    private const int Accounts = 500;

    private static readonly Lazy<Task<AzuriteProcess>> Shared = new(
        static () => Task.Run(() => AzuriteProcess.StartAsync(AzuriteOptions.InMemory with { ExtraAccounts = Accounts }, Console.WriteLine, CancellationToken.None)));

    private static int taken = -1;

    public static async Task<string> ConnectionStringAsync() => (await Shared.Value).ConnectionString;

    /// <summary>A storage account nobody else uses: for whatever has tables and queues of fixed names, as the app has.</summary>
    public static async Task<string> NewAccountAsync() => (await Shared.Value).ExtraConnectionString(Interlocked.Increment(ref taken));

    /// <summary>A name nobody else has, for a table, queue or container.</summary>
    public static string NewName() => "t" + Guid.NewGuid().ToString("n")[..12];
}
