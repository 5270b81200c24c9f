namespace CdpFunctions.Tests.Webhooks;

/// <summary>What providers send, as they document it.</summary>
internal static class Payloads
{
    public static string Read(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Payloads", name + ".json"));
}
