using Microsoft.Extensions.Configuration;
using Microsoft.Playwright;
using Xunit;

namespace CdpFunctions.Clients;

/// <summary>A headless Chromium: the one at CHROMIUM_PATH, else the machine's own, else the one Playwright downloads.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];

    // No sandbox, because containers do not allow it; nothing that calls its maker; no name but the machine's own leads anywhere.
    private static readonly string[] Arguments =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ];

    private IPlaywright? playwright;
    private IBrowser? browser;

    public async Task InitializeAsync()
    {
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Installed(), Args = Arguments });
    }

    public async Task DisposeAsync()
    {
        await browser!.DisposeAsync();
        playwright!.Dispose();
    }

    /// <summary>A new person's browser: no cookies, nothing stored.</summary>
    internal async Task<Visitor> VisitorAsync() =>
        new(await browser!.NewContextAsync(new BrowserNewContextOptions { Locale = "de-AT", TimezoneId = "Europe/Vienna" }));

    /// <returns>Null for Playwright's own.</returns>
    private static string? Installed()
    {
        var environment = new ConfigurationBuilder().AddEnvironmentVariables().Build();
        if (environment["CHROMIUM_PATH"] is { Length: > 0 } configured)
            return configured;
        var folders = (environment["PATH"] ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var found = Names.SelectMany(_ => folders, static (name, folder) => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        if (found is null && Microsoft.Playwright.Program.Main(["install", "chromium"]) != 0)
            throw new InvalidOperationException("There is no Chromium, and Playwright could not download one: install the package chromium, or set CHROMIUM_PATH to a browser's executable.");
        return found;
    }
}
