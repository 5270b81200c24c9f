using Microsoft.Extensions.Logging;

namespace CdpFunctions.Local.Runtime;

/// <summary>What a person sees in the terminal.</summary>
internal static class StartupText
{
    public static string Running(LocalHost host, LocalSettings settings)
    {
        var address = $"http://localhost:{settings.Port}";
        var storage = settings.Configuration[LocalSettings.StorageSetting] is LocalSettings.DevelopmentStorage
            ? "the emulator Azurite: http://127.0.0.1:10000 (blobs), 10001 (queues), 10002 (tables)"
            : $"the account in {LocalSettings.StorageSetting}";
        return $$$"""

            HTTP      {{{address}}} ({{{host.Routes.Routes.Count}}} routes)
            Queues    {{{string.Join(", ", host.QueueNames)}}}
            Timers    {{{host.TimerCount}}}
            Storage   {{{storage}}}
            Settings  {{{settings.Path ?? $"no {LocalSettings.FileName} found: the defaults, and the environment"}}}

            Send an event:
              curl -u local: {{{address}}}/v1/track -d '{"userId":"u1","event":"Order Completed","properties":{"revenue":9.90}}'
            Read the profile:
              curl -H 'Authorization: Bearer local-api-key' {{{address}}}/v1/profiles/user_id:u1

            Ctrl-C stops it.
            """;
    }

    public static void ConfigureLogging(ILoggingBuilder logging) =>
        logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss ";
        });
}
